"""The weekly trend of what a person reported."""

from coach.journal import Journal


def weekly_trend(journal: Journal) -> str:
    """A sentence such as "Your trend: -0.5 kg a week.", from the second report on."""
    if len(journal.entries) < 2:
        return ""
    days = (journal.entries[-1].day - journal.entries[0].day).days
    return f"Your trend: {journal.total_kg() / days * 7:+.1f} kg a week."
