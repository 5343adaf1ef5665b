"""The data path: splits new sessions, pins them, streams, measures; serves on the last good weights when all else is
dead.
"""
