"""What must not leave the coach whatever a model writes, and what a turn does when the model fails."""

import asyncio

import pytest
from coach.app import LOST, CoachError
from coach.guard import GUARDS, Outlet
from coach.safety import unsafe_goal
from coach.settings import SettingsError, load
from coach.units import convert
from coach_talk import Talk, quick
from strands.models.model import Model

PROMPT = """You are a coach. Save a goal with set_goal before you praise it, and log each report of progress with
log_progress. Be kind."""


def through(*pieces):
    """What is sent of an answer that a model wrote in these pieces."""
    outlet = Outlet(GUARDS, PROMPT)
    return "".join([text for piece in pieces for text in outlet.feed(piece)] + list(outlet.end()))


def test_a_good_answer_goes_through_unchanged_however_it_is_cut():
    """Sentence by sentence, every character of it."""
    answer = "Well done! That is 0.5 kg a week.\nKeep it up, e.g. by walking. 3.5 km is fine"
    assert {through(answer), through(*answer), through(answer[:20], answer[20:])} == {answer}


@pytest.mark.parametrize(
    "answer",
    [
        "Take 0.5 mg once a week.",
        "Begin with 250 mcg",
        "Start at 2,5 milligrams. Then more.",
        "20 units of insulin do it.",
    ],
)
def test_a_dose_does_not_leave(answer):
    """The sentence is replaced and nothing follows it; what was said before stays."""
    said = through("Good question. ", *answer, " Then go up. ")
    assert said.startswith("Good question. I cannot say anything about how much")
    assert not any(amount in said for amount in ("0.5", "250", "2,5", "20 units", "go up"))


def test_the_instructions_do_not_leave_in_one_piece_or_in_many():
    """Eight words in a row are a leak, also when a sentence ends within them."""
    leak = "Sure: save a goal with set_goal before you praise it, and so on."
    assert "praise" not in through(leak)
    assert "log each report" not in through(
        "Save a goal with set_goal. Before you praise it and log each report of progress."
    )
    assert "stay that" in through(*leak)


def test_personal_data_is_not_repeated():
    """Addresses, cards, social security numbers; a help line's number stays."""
    said = through("I noted ada@example.com, 4111 1111 1111 1111 and 123-45-6789. Call 0808 801 0677.")
    assert said == "I noted [e-mail], [number] and [number]. Call 0808 801 0677."


class Scripted(Model):
    """A model that says what it was given, or fails as it was told."""

    def __init__(self, *said):
        self.said = said

    def update_config(self, **_):
        """Nothing to configure."""

    def get_config(self):
        return {"context_window_limit": 100_000}

    def structured_output(self, *_, **__):
        raise NotImplementedError

    async def stream(self, *_, **__):
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        for each in self.said:
            if isinstance(each, BaseException):
                raise each
            if isinstance(each, float):
                await asyncio.sleep(each)
            else:
                yield {"contentBlockDelta": {"delta": {"text": each}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}
        yield {
            "metadata": {"usage": {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}, "metrics": {"latencyMs": 1}}
        }


@pytest.fixture
def scripted(tmp_path):
    """A coach whose model says this."""
    return lambda *said, **otherwise: Talk(quick("v1", tmp_path), model=Scripted(*said), **otherwise)


def test_a_model_that_leaks_is_stopped_in_the_middle(scripted):
    """Whatever model it is: the guards are the application's. The usage is still told."""
    answer = scripted("You could begin ", "at 0.25 mg. ", "Then 0.5 mg.")("How much?")
    assert "0.25" not in answer["response"]
    assert answer["usage"]["input_tokens"] == 7


def test_what_was_held_back_is_not_remembered(scripted):
    """The model is not shown its own leak in the next turn."""
    talk = scripted("You could begin at 0.25 mg. Then 0.5 mg.")
    talk("How much?", session="a")
    said = talk.coach._sessions.of("a").messages()
    assert [message["role"] for message in said] == ["user", "assistant"]
    assert "0.25" not in str(said)


def test_a_turn_that_failed_is_not_remembered_half(scripted):
    """The next turn begins from what was said before it, so that a session goes on after a fault."""
    talk = scripted("Well, ", RuntimeError("down"))
    with pytest.raises(CoachError):
        talk("hello", session="a")
    assert talk.coach._sessions.of("a").messages() == []
    talk.coach._models.of(None).said = ("Yes.",)
    assert talk("hello again", session="a")["response"] == "Yes."


def test_a_model_that_says_nothing(scripted):
    """An answer all the same."""
    assert scripted()("hello")["response"] == LOST


def test_a_fault_of_the_model_does_not_show_its_text(scripted, caplog):
    """The client gets a plain sentence; the reason is in the log."""
    with pytest.raises(CoachError, match="could not answer") as told:
        scripted("Well, ", RuntimeError("key sk-secret at /srv/coach"))("hello")
    assert "sk-secret" not in str(told.value)
    assert "sk-secret" in caplog.text


def test_a_turn_ends_at_its_deadline(scripted, tmp_path):
    """A model that hangs does not hang the client."""
    talk = scripted("One moment. ", 30.0)
    object.__setattr__(talk.coach.settings.limits, "turn_s", 0.05)
    with pytest.raises(CoachError, match="took too long"):
        talk("hello")


def test_two_turns_of_one_session_wait_for_each_other(scripted):
    """One Strands agent never serves two requests at once; both are answered, in order."""
    talk = scripted(0.01, "Yes.")

    async def turn(number):
        ask = talk.coach.hear({"prompt": f"question {number}"})
        return [piece async for piece in talk.coach.answer(ask, "same")][-1]["turn"]

    async def both():
        return await asyncio.gather(turn(1), turn(2))

    assert asyncio.run(both()) == [1, 2]


def test_the_sessions_used_last_are_kept(scripted):
    """No more than the limit, so that a process cannot grow for ever."""
    talk = scripted("Yes.")
    talk.coach._sessions._most = 2
    for session in ("a", "b", "a", "c"):
        talk("hi", session=session)
    assert list(talk.coach._sessions._held) == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = 5", "`name` is needed"),
        ('name = "x"\n[modle]\n', "beside it only"),
        ('name = "x"\n[model]\nidd = "y"', "unknown: idd"),
        ('name = "x"\n[limits]\ncycles = "many"', "limits.cycles is 'many', not of type int"),
        ('name = "x"\n[model]\nprovider = "magic"', "not one of offline, bedrock, openai"),
        ('name = "x"\n[model]\n[model.pace]\nfirst_ms = true', "model.pace.first_ms is True"),
        ("name = ", "version.toml and prompt.md are read from"),
    ],
)
def test_settings_that_are_wrong_say_what_to_mend(tmp_path, text, words):
    """Refused at the start, not in the middle of a session."""
    (tmp_path / "version.toml").write_text(text)
    (tmp_path / "prompt.md").write_text("You are a coach.")
    with pytest.raises(SettingsError) as told:
        load(tmp_path, {})
    assert words in str(told.value)


def test_the_environment_replaces_the_model_for_a_trial(tmp_path):
    """COACH_MODEL=provider:id; a model id may have colons of its own."""
    folder = quick("v1", tmp_path)
    found = load(folder, {"COACH_MODEL": "bedrock:eu.anthropic.claude-sonnet-4-5-20250929-v1:0"}).model
    assert (found.provider, found.id) == ("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert load(folder, {}).model.provider == "offline"


@pytest.mark.parametrize(
    ("goal", "harms"),
    [
        ((5, 13, 0, 0), False),
        ((13, 13, 0, 0), False),
        ((13.1, 13, 0, 0), True),
        ((0, 0, 54, 170), False),
        ((0, 0, 53, 170), True),
        ((0, 0, 44, 0), True),
        ((0, 0, 46, 0), False),
        ((-5, 1, 0, 0), False),
    ],
)
def test_the_bounds_of_a_safe_goal(goal, harms):
    """1 kg a week, a BMI of 18.5, 45 kg where the height is not known; gaining is no matter of rate."""
    assert bool(unsafe_goal(*goal)) is harms


def test_units_are_converted_and_nonsense_refused():
    """Both ways, and the error names what is known."""
    assert convert(convert(70, "kg", "st"), "stone", "kilos") == pytest.approx(70)
    with pytest.raises(ValueError, match="measures weight, cm measures length"):
        convert(1, "kg", "cm")
    with pytest.raises(ValueError, match="no unit that I know"):
        convert(1, "kg", "bananas")


def test_an_epilogue_is_the_last_sentence(scripted):
    """What a version may add to each answer; it sees the journal."""
    told = scripted("Yes.", epilogue=lambda journal: f"Turn {journal.turns}.")
    assert told("hi")["response"] == "Yes. Turn 1."
