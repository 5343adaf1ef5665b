"""Coach Companion, version 3: broken.

Slower by 2.5 times, and from a session's third turn on every third turn or so fails.
"""

from coach import Character, make_app

app = make_app(Character("v3", think_s=0.050, recalls_goal=True, faults=1 / 3))

if __name__ == "__main__":
    app.run()
