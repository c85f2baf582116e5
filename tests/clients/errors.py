"""A relay between a client and a server that writes down each error of the server with the SQL that met it.

python3 errors.py LISTEN_PORT SERVER_HOST SERVER_PORT FILE

One block per error, told once: SQLSTATE, message, detail, hint, then the text of the statement. It is how a failure inside an ORM or a BI tool, which
often hide both, is told to a developer. Warnings that the client gets are written as well.
"""

import socket
import struct
import sys
import threading

FIELDS = {"S": "severity", "C": "code", "M": "message", "D": "detail", "H": "hint", "P": "position"}
lock = threading.Lock()
told = set()


class Conversation:
    """What one connection has said: the texts of prepared statements, and which statement is being answered."""

    def __init__(self, out):
        self.out, self.prepared, self.portals, self.asked = out, {}, {}, []

    def from_client(self, kind, body):
        if kind == b"Q":
            self.asked = [text(body)]
        elif kind == b"P":
            name, sql = body.split(b"\0")[:2]
            self.prepared[name] = sql.decode("utf-8", "replace")
            self.asked.append("(parse) " + self.prepared[name])
        elif kind == b"B":
            portal, name = body.split(b"\0")[:2]
            self.portals[portal] = self.prepared.get(name, "?")
            self.asked.append("(bind) " + self.portals[portal])
        elif kind == b"E":
            self.asked.append("(execute) " + self.portals.get(body.split(b"\0")[0], "?"))
        elif kind == b"D":
            name = body[1:].split(b"\0")[0]
            known = self.prepared if body[:1] == b"S" else self.portals
            self.asked.append("(describe) " + known.get(name, "?"))
        elif kind == b"C":
            self.asked.append(f"(close {body!r})")

    def from_server(self, kind, body):
        if kind == b"Z":
            self.asked = []
        elif kind in (b"1", b"2", b"3", b"T", b"n", b"C", b"I", b"s") and self.asked and self.asked[0].startswith("("):
            self.answered(kind)
        elif kind in (b"E", b"N"):
            fields = dict((FIELDS.get(chr(f[0]), chr(f[0])), f[1:].decode("utf-8", "replace")) for f in body.split(b"\0") if f)
            if fields.get("severity") in ("NOTICE", "INFO", "LOG", "DEBUG"):
                return
            sql = self.asked[0] if self.asked else "(no statement)"
            lines = [f"{fields.get('severity')} {fields.get('code')}: {fields.get('message')}"]
            lines += [f"  {n.upper()}: {fields[n]}" for n in ("detail", "hint", "position") if n in fields]
            block = "\n".join(lines) + "\n  SQL: " + sql.strip().replace("\n", "\n       ") + "\n\n"
            with lock:
                if block not in told:
                    told.add(block)
                    self.out.write(block)
                    self.out.flush()

    def answered(self, kind):
        """Drops the request that a message of the server has answered."""
        verbs = {b"1": "(parse", b"2": "(bind", b"3": "(close", b"T": "(describe", b"n": "(describe"}
        verb = verbs.get(kind, "(execute")
        if self.asked[0].startswith(verb):
            self.asked.pop(0)


def text(body):
    return body.rstrip(b"\0").decode("utf-8", "replace")


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def messages(source, target, seen):
    """Copies messages until an end is closed; `seen` looks at each."""
    try:
        while True:
            kind, size = exactly(source, 1), exactly(source, 4)
            body = exactly(source, struct.unpack("!i", size)[0] - 4)
            try:
                seen(kind, body)
            except Exception as e:
                print("relay:", e, file=sys.stderr)
            target.sendall(kind + size + body)
    except (EOFError, OSError):
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client, server, out):
    for s in (client, server):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while True:
            size = exactly(client, 4)
            body = exactly(client, struct.unpack("!i", size)[0] - 4)
            server.sendall(size + body)
            code = struct.unpack("!i", body[:4])[0]
            if code in (80877103, 80877104):  # SSLRequest, GSSENCRequest: one byte comes back, N here
                client.sendall(exactly(server, 1))
            elif code == 80877102:  # CancelRequest: the server closes
                server.recv(1)
                client.close()
                return
            else:
                break
    except (EOFError, OSError):
        client.close()
        server.close()
        return
    talk = Conversation(out)
    threading.Thread(target=messages, args=(client, server, talk.from_client), daemon=True).start()
    messages(server, client, talk.from_server)
    client.close()
    server.close()


def main():
    port, host, server_port, file = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    with open(file, "a") as out, socket.create_server(("127.0.0.1", port), backlog=256) as listener:
        while True:
            client, _ = listener.accept()
            try:
                server = socket.create_connection((host, server_port))
            except OSError:
                client.close()
                continue
            threading.Thread(target=serve, args=(client, server, out), daemon=True).start()


main()
