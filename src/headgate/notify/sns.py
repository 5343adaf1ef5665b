"""Messages to a topic of Amazon SNS. A FIFO topic drops a repetition for five minutes, another drops none."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from botocore.parsers import ResponseParserError

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.ports import Link, Message

TIMEOUT_S = 5.0
_BUSY = frozenset({"Throttling", "ThrottlingException", "KMSThrottling", "ServiceUnavailable"})


class SnsChannel:
    """One publication, tried once by boto3: repetition is the outbox's.

    Not repeatable, FIFO or not: five minutes are less than the outbox may wait.
    """

    def repeatable(self, _address: str) -> bool:
        return False

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        try:
            self._publish(message, address, links)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            said = f"sns: {code}"
            if code in _BUSY:
                raise Unavailable(said) from None
            raise (TimedOut(said) if status >= 500 else Rejected(said)) from None
        except NoCredentialsError:
            raise Rejected("sns: there are no AWS credentials", "give some where the controller runs") from None
        except (ConnectTimeoutError, EndpointConnectionError) as error:
            raise Unavailable(f"sns: {type(error).__name__}") from None
        except (BotoCoreError, ResponseParserError) as error:
            raise TimedOut(f"sns: {type(error).__name__}") from None

    def _publish(self, message: Message, address: str, links: Sequence[Link]) -> None:
        config = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1})
        client = boto3.client("sns", region_name=address.split(":")[3], config=config)
        fifo = address.endswith(".fifo")
        unique = sha256(message.key.encode()).hexdigest()
        more = {"MessageDeduplicationId": unique, "MessageGroupId": message.rollout or "headgate"} if fifo else {}
        offered = "".join(f"\n{link.verb}: {link.url}" for link in links)
        subject = f"headgate {message.severity} {message.event}".replace("  ", " ")
        client.publish(TopicArn=address, Subject=subject, Message=message.text + offered, **more)
