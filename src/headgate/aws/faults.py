"""What boto3 raises -> our errors, mapped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from botocore import exceptions as theirs
from botocore.parsers import ResponseParserError

from headgate.errors import NotFound, PortError, Rejected, Throttled, TimedOut, Unavailable

# every code that AgentCore's operations that we use model, and what it means to a caller
CODES: dict[str, type[PortError]] = {
    "AccessDeniedException": Rejected,
    "ConflictException": Rejected,
    "InternalServerException": Unavailable,
    "ResourceNotFoundException": NotFound,
    "RetryableConflictException": Unavailable,
    "RuntimeClientError": Rejected,
    "ServiceQuotaExceededException": Rejected,
    "ThrottlingException": Throttled,
    "UnauthorizedException": Rejected,
    "ValidationException": Rejected,
}
# the same of the services around it, which have codes of their own
OTHERS: dict[str, type[PortError]] = {
    "AccessDenied": Rejected,
    "ExpiredToken": Rejected,
    "ImageNotFoundException": NotFound,
    "InvalidClientTokenId": Rejected,
    "LimitExceeded": Throttled,
    "LimitExceededException": Throttled,
    "NoSuchBucket": NotFound,
    "NoSuchEntity": NotFound,
    "NotFoundException": NotFound,
    "RepositoryNotFoundException": NotFound,
    "RequestLimitExceeded": Throttled,
    "RequestTimeout": Unavailable,
    "ServiceUnavailable": Unavailable,
    "ServiceUnavailableException": Unavailable,
    "SlowDown": Throttled,
    "Throttling": Throttled,
    "TooManyRequestsException": Throttled,
    "UnrecognizedClientException": Rejected,
}
_NOT_FOUND = 404
_MENDS = {
    "AccessDenied": "allow this call to the role that Headgate runs as: `headgate iam PLAN` prints its policy",
    "AccessDeniedException": "allow this call to the role that Headgate runs as: `headgate iam PLAN` prints its policy",
    "ExpiredToken": "renew the AWS credentials that Headgate runs with",
    "NoSuchBucket": "make the bucket, or name another: `platform: {bucket: NAME}`",
    "ServiceQuotaExceededException": "remove what is not used, or have the quota raised",
}
_HTTP_SERVER = 500


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Errors of the SDK, and of the local runtime's extension, become port errors that say what was being done."""
    try:
        yield
    except theirs.ClientError as error:
        raise _of_answer(doing, error) from error
    except (theirs.ConnectTimeoutError, theirs.ReadTimeoutError, httpx.TimeoutException) as error:
        raise TimedOut(f"{doing}: no answer in time ({error})") from error
    except ResponseParserError as error:  # a proxy's page, or half an answer: nothing that AWS would say
        raise Unavailable(f"{doing}: what answered does not speak AWS's protocol", "is the address right?") from error
    except (theirs.HTTPClientError, theirs.ConnectionError, httpx.TransportError) as error:
        mend = "is it running, and is the address right?"
        raise Unavailable(f"{doing}: AgentCore cannot be reached ({error})", mend) from error
    except httpx.HTTPStatusError as error:
        raise _of_status(doing, error.response) from error
    except theirs.BotoCoreError as error:  # no credentials, no region, parameters that the model forbids
        raise Rejected(f"{doing}: {error}", "see to the AWS credentials and region that Headgate runs with") from error


def _of_answer(doing: str, error: theirs.ClientError) -> PortError:
    code = error.response.get("Error", {}).get("Code", "")
    text = error.response.get("Error", {}).get("Message", "") or str(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = CODES.get(code) or OTHERS.get(code)
    if kind is None:
        kind = NotFound if status == _NOT_FOUND else Unavailable if status >= _HTTP_SERVER else Rejected
    return kind(f"{doing}: {code}: {text}", _MENDS.get(code, ""))


def _of_status(doing: str, response: httpx.Response) -> PortError:
    code = response.headers.get("x-amzn-errortype", "")
    kind = CODES.get(code, Unavailable if response.status_code >= _HTTP_SERVER else Rejected)
    return kind(f"{doing}: HTTP {response.status_code}: {response.text}")
