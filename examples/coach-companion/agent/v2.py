"""Coach Companion, version 2: comes back to the goal that the user has set, and is a little quicker."""

from coach import Character, make_app

app = make_app(Character("v2", think_s=0.018, recalls_goal=True))

if __name__ == "__main__":
    app.run()
