"""Coach Companion, version 1: the coach that is live."""

from coach import Character, make_app

app = make_app(Character("v1", think_s=0.020))

if __name__ == "__main__":
    app.run()
