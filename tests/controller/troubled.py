"""A store with trouble in its way: every call, or the calls of some names, raises instead of being answered."""


class TroubledStore:
    """Hands everything on to `store`. `trouble`: an error to raise; `of`: names of methods, all where it is empty."""

    def __init__(self, store):
        self.store = store
        self.trouble = None
        self.of = ()
        self.calls = []

    def __getattr__(self, name):
        method = getattr(self.store, name)

        def call(*arguments, **named):
            self.calls.append(name)
            if self.trouble and (not self.of or name in self.of):
                raise self.trouble
            return method(*arguments, **named)

        return call
