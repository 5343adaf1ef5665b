"""Models that judge, behind `ports.JudgeModel`: strangers to each other, made here by their kind."""

from __future__ import annotations

from collections.abc import Callable

from headgate.config.judge_schema import Judge
from headgate.errors import Rejected
from headgate.gates.judges.port import JudgeModel

OPENAI_URL = "https://api.openai.com/v1"


def maker_of(variable: Callable[[str], str | None]) -> Callable[[Judge], JudgeModel]:
    """Makes the model of a judge; `variable` reads the environment. Raises Rejected where a key is not set."""

    def make(judge: Judge) -> JudgeModel:
        if judge.kind == "bedrock":
            from headgate.gates.judges.bedrock import BedrockJudge

            return BedrockJudge(judge.model, judge.region, judge.url, judge.timeout)
        from headgate.gates.judges.openai import OpenAiJudge

        return OpenAiJudge(judge.url or OPENAI_URL, judge.model, _key(judge, variable), judge.timeout)

    return make


def _key(judge: Judge, variable: Callable[[str], str | None]) -> str:
    if not judge.key:
        return ""
    name = judge.key.removeprefix("env:")
    value = variable(name)
    if not value:
        raise Rejected(f"the judge's key is not there: {name} is not set", f"export {name}=...")
    return value
