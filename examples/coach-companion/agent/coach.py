"""Coach Companion: a weight and habits coach with a deterministic model that needs no network.

The three versions (v1.py, v2.py, v3.py) are this program with different characters. What the user says is sorted into
an intent by keywords, the answer is made of fixed sentences and of what the session remembers (name, goal), and the
time a real model would think is slept through. The same conversation gets the same answers, times and faults each
time.
"""

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from bedrock_agentcore import BedrockAgentCoreApp
from starlette.responses import JSONResponse

LONGEST_PROMPT = 4000  # characters
SESSIONS_KEPT = 20_000
TOKENS_PER_WORD = 1.3
USD_PER_MILLION_INPUT = 3.0
USD_PER_MILLION_OUTPUT = 15.0

# the first that matches decides: safety comes before everything else
INTENTS = (
    ("crisis", r"suicid|kill myself|end my life|want to die|hurt myself|harm myself|self.harm|can't go on"),
    ("medical", r"\bdos(e|es|ing|age)\b|\d ?mg\b|medicat|prescri|\bpills?\b|insulin|ozempic|wegovy|semaglutide|inject"),
    ("goal", r"\bgoal\b|want to|would like to|aim to|plan to|trying to"),
    ("plateau", r"plateau|stuck|not moving|no change|same weight|has ?n.t changed|stopped losing"),
    ("loss", r"\b(i|i've|i have|we) (have )?lost\b|\bdown \d|lighter|dropped \d"),
    ("gain", r"gained|\bup \d|heavier|put on \d"),
    ("motivation", r"motivat|give up|giving up|hard|tired|lazy|discourag|struggl|fail"),
)

SENTENCES = {
    "crisis": (
        "I am really glad that you told me, and I am worried about you. Please talk to somebody right now: "
        "call or text 988 in the USA, call 116 123 (Samaritans) in the UK and Ireland, 112 anywhere in the EU, "
        "or your local emergency number. You do not have to be alone with this."
    ),
    "medical": (
        "I cannot advise on medication or doses. Please ask your doctor or pharmacist, who know your history. "
        "I am happy to help with food, movement, sleep and habits meanwhile."
    ),
    "goal": "That is a clear goal: {goal}. Let us split it into small weekly targets and pick one habit to begin with.",
    "plateau": "A plateau is normal: the body adapts. Change one thing for two weeks, for example your daily steps.",
    "loss": "Well done, that loss is real progress. Write down what worked this week, so that you can repeat it.",
    "gain": "A small gain is no failure: water, salt and sleep move the scale. Look at the trend of four weeks.",
    "motivation": "Some days are hard, and you came here anyway. Pick the smallest step for today, and do that one.",
    "other": "Tell me a little more: is it about your goal, your progress, or about keeping going?",
}
CLOSING = "Small steps every day add up to a lasting change over time."
SAFETY = frozenset({"crisis", "medical"})


@dataclass(frozen=True)
class Character:
    """What tells the versions apart.

    `think_s`: mean time for a turn; `faults`: share of turns that raise from the third on.
    """

    name: str
    think_s: float
    recalls_goal: bool = False
    faults: float = 0.0


@dataclass
class Memory:
    """What a session has told so far."""

    name: str = ""
    goal: str = ""
    turns: int = 0


class Refused(Exception):
    """The payload is not one that a coach can answer."""


def make_app(character):
    """The agent as an AgentCore application."""
    app = BedrockAgentCoreApp()
    sessions = OrderedDict()

    @app.entrypoint
    async def handle(payload, context):
        try:
            prompt, known = read(payload)
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, status_code=400)
        memory = recall(sessions, context.session_id)
        memory.turns += 1
        lot = draw(context.session_id, memory.turns)
        intent = learn(memory, prompt, known)
        broken = memory.turns > 2 and lot("fault") < character.faults
        think = character.think_s * (0.6 + 0.8 * lot("think"))
        text = compose(character, memory, intent)
        facts = {"intent": intent, "version": character.name, "turn": memory.turns, "usage": usage(prompt, known, text)}
        if payload.get("stream") is True:
            return stream(text, facts, think, broken)
        await asyncio.sleep(think)
        if broken:
            raise RuntimeError("the tool for progress charts returned nothing")
        return {"response": text, **facts}

    return app


async def stream(text, facts, think, broken):
    """The answer in pieces: most of the thinking comes before the first, the usage after the last."""
    words = text.split(" ")
    size = -(-len(words) // 4)
    pieces = [" ".join(words[i : i + size]) for i in range(0, len(words), size)]
    await asyncio.sleep(think * 0.6)
    for number, piece in enumerate(pieces):
        if number:
            await asyncio.sleep(think * 0.4 / len(pieces))
            if broken:
                raise RuntimeError("the tool for progress charts returned nothing")
        yield {"text": piece if number == len(pieces) - 1 else piece + " "}
    yield facts


def read(payload):
    """The prompt and the user's context of a payload. Raises Refused with what is wrong."""
    if not isinstance(payload, dict):
        raise Refused('the payload is not an object; send {"prompt": "..."}')
    prompt, known = payload.get("prompt"), payload.get("user_context", {})
    if not isinstance(prompt, str) or not prompt.strip():
        raise Refused('there is no prompt; send {"prompt": "..."}')
    if len(prompt) > LONGEST_PROMPT:
        raise Refused(f"the prompt has {len(prompt)} characters; {LONGEST_PROMPT} are the most I read")
    if not isinstance(known, dict):
        raise Refused('user_context is not an object; send {"name": ..., "goal": ...} or leave it out')
    return prompt, known


def recall(sessions, session):
    """The session's memory; the least recently used are forgotten. Without an id there is nothing to remember."""
    if session is None:
        return Memory()
    memory = sessions.setdefault(session, Memory())
    sessions.move_to_end(session)
    if len(sessions) > SESSIONS_KEPT:
        sessions.popitem(last=False)
    return memory


def draw(session, turn):
    """A lottery that always gives the same session and turn the same lots, each in [0, 1)."""

    def lot(name):
        return int.from_bytes(sha256(f"{session}/{turn}/{name}".encode()).digest()[:8], "big") / 2**64

    return lot


def learn(memory, prompt, known):
    """The intent of what was said; name and goal go into the memory."""
    said = prompt.lower().replace("’", "'")
    intent = next((name for name, pattern in INTENTS if re.search(pattern, said)), "other")
    name = known.get("name") or next(iter(re.findall(r"my name is ([A-Za-z][\w-]{0,30})", prompt, re.IGNORECASE)), "")
    memory.name = str(name)[:40] or memory.name
    goal = re.search(r"(?:want|would like|aim|plan|trying|goal is) to ([^.!?\n]{3,80})", said)
    if intent == "goal" and goal:
        memory.goal = goal.group(1).strip()
    elif isinstance(known.get("goal"), str):
        memory.goal = memory.goal or known["goal"][:80]
    return intent


def compose(character, memory, intent):
    """The answer in words."""
    text = SENTENCES[intent].format(goal=memory.goal or "a healthier routine")
    if intent in SAFETY:
        return text
    if memory.name and memory.turns == 1:
        text = f"Hello {memory.name}! {text}"
    if character.recalls_goal and memory.goal and intent != "goal":
        return f"{text} It all counts towards your goal: {memory.goal}."
    return f"{text} {CLOSING}"


def usage(prompt, known, text):
    """Tokens by the number of words, and what they cost at the stated prices."""
    words_in = len(prompt.split()) + sum(len(str(value).split()) for value in known.values()) + 120  # the instructions
    tokens_in, tokens_out = round(words_in * TOKENS_PER_WORD), round(len(text.split()) * TOKENS_PER_WORD)
    cost = (tokens_in * USD_PER_MILLION_INPUT + tokens_out * USD_PER_MILLION_OUTPUT) / 1_000_000
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, "cost_usd": round(cost, 9)}
