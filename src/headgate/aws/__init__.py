"""What every adapter of AWS needs: clients with timeouts and bounded retries, AWS's errors as ours, signatures."""

from headgate.aws.clients import Clients as Clients
from headgate.aws.clients import Place as Place
from headgate.aws.faults import mapped as mapped
