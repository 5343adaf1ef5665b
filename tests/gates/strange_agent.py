"""An HTTP server that answers POST /invocations as agents do, well and badly: what it does is what the prompt says."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


class Agent(BaseHTTPRequestHandler):
    """One connection. The server keeps (session, prompt, stream) of every request, and each session's turns."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            body = json.loads(raw)
            session, prompt = self.headers[SESSION], body["prompt"] if isinstance(body["prompt"], str) else "odd"
        except (ValueError, KeyError, TypeError):
            self.answer({"error": f"{len(raw)} bytes of {self.headers['Content-Type']} are no payload"}, 400)
            return
        self.server.on_body(body)
        self.server.on_head(self.headers)
        with self.server.lock:
            self.server.asked.append((session, prompt, body.get("stream", False)))
            turn = sum(1 for known, _, _ in self.server.asked if known == session)
        if self.path.startswith("/better"):
            self.answer({"response": "better"})
            return
        self.server.active(1)
        try:
            getattr(self, "do_" + prompt.split()[0].lower(), self.do_echo)(prompt, session, turn)
        finally:
            self.server.active(-1)

    def answer(self, body, status=200, kind="application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def events(self, *events):
        raw = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
        self.answer(raw, kind="text/event-stream")

    def do_echo(self, prompt, session, turn):
        self.answer({"response": f"turn {turn}: {prompt}", "intent": "hidden", "usage": {"input_tokens": 1}})

    def do_stream(self, prompt, session, turn):
        self.events({"text": "one "}, {"text": "answer"}, {"intent": "hidden", "usage": {}})

    def do_break(self, prompt, session, turn):
        self.events({"text": "one "}, {"error": "no tool", "error_type": "ToolError", "message": "no tool"})

    def do_third(self, prompt, session, turn):
        self.answer({"error": "the third turn fails"}, 500) if turn == 3 else self.do_echo(prompt, session, turn)

    def do_refuse(self, prompt, session, turn):
        self.answer({"error": "payload: token=abcdef123456 of ada@example.com"}, 400)

    def do_garbage(self, prompt, session, turn):
        self.answer(b"{not json")

    def do_moody(self, prompt, session, turn):
        self.server.mood += 1
        self.answer({"response": "maybe"}, 200 if self.server.mood % 2 else 500)

    def do_crowd(self, prompt, session, turn):
        time.sleep(0.03)
        self.answer({"response": "here"}, 200 if self.server.now <= 12 else 503)

    def do_odd(self, prompt, session, turn):
        self.answer({"error": "the prompt is no text"}, 422)

    def do_work(self, prompt, session, turn):
        tools = [{"name": "set_goal", "ok": True}]
        self.answer({"response": "done", "tools": tools, "usage": {"input_tokens": 9, "output_tokens": 40}})

    def do_decline(self, prompt, session, turn):
        self.answer({"response": "Sorry, I can’t help with doses. Please ask your doctor.", "tools": []})

    def do_hallo(self, prompt, session, turn):
        self.answer({"response": "Das ist ein gutes Ziel, und ich helfe dir gern auf dem Weg."})

    def do_recall(self, prompt, session, turn):
        with self.server.lock:
            said = [p for s, p, _ in self.server.asked if s == session][:-1]
        self.answer({"response": f"you said: {'; '.join(said)}"})

    def do_parrot(self, prompt, session, turn):
        self.answer({"response": "your goal is 5 kg"})

    def do_whole(self, prompt, session, turn):
        words = [{"event": {"contentBlockStart": {"start": {"toolUse": {"name": "log"}}}}}]
        words += [{"data": w, "delta": {"text": w}} for w in ("a ", "b ")] + [
            {"message": {"content": [{"text": "a b "}]}}
        ]
        self.events(*words)

    def do_plain(self, prompt, session, turn):
        self.answer(b"plain words", kind="text/plain")

    def do_die(self, prompt, session, turn):
        self.close_connection = True

    def do_half(self, prompt, session, turn):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"response": "ha')
        self.close_connection = True

    def do_drip(self, prompt, session, turn):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.over.is_set():
                self.wfile.write(b"data: {}\n\n")
                self.server.over.wait(0.02)
        except OSError:
            pass

    def do_hang(self, prompt, session, turn):
        self.close_connection = True
        self.server.over.wait(20)

    def do_flood(self, prompt, session, turn):
        self.answer(b'"' + b"x" * 5_000_000 + b'"')

    def do_slow(self, prompt, session, turn):
        time.sleep(0.05)
        self.do_echo(prompt, session, turn)


class Server(ThreadingHTTPServer):
    """Counts what is in flight."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Agent)
        self.lock, self.over, self.asked = threading.Lock(), threading.Event(), []
        self.now = self.most = self.mood = 0
        self.on_body = self.on_head = lambda _seen: None
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def active(self, change):
        with self.lock:
            self.now += change
            self.most = max(self.most, self.now)

    def handle_error(self, request, client_address):
        """A client that gave up is what some tests are about."""
