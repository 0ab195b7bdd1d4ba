"""The examples of request-response, one-way messages and event loops, against a router of their own."""

import os
import pathlib

from keyway_system import ToolTest, main, signal

EXAMPLES = pathlib.Path(os.environ["KEYWAY_EXAMPLES"])


class Examples(ToolTest):
    def run_to_end(self, *command):
        code, out = (program := self.start(*command)).wait()
        self.assertEqual(code, 0, "".join(program.errors))
        return out.decode()

    def test_echo(self):
        service = self.start(EXAMPLES / "echo" / "echo_service")
        self.assertEqual(service.output_line(), "serving\n")
        for word in ("hello", "", "w\u00f6rter mit \u00fc"):
            self.assertEqual(self.run_to_end(EXAMPLES / "echo" / "echo_client", word), word + "\n")
        service.signal(signal.SIGTERM)
        code, out = service.wait()
        self.assertEqual((code, out), (0, b"3 calls answered\n"))

    def test_oneway(self):
        self.assertEqual(self.run_to_end(EXAMPLES / "oneway" / "oneway"), "1000 received, 0 refused\n")

    def test_waitset(self):
        self.assertEqual(self.run_to_end(EXAMPLES / "waitset" / "waitset"), "5 rallies, then the pipe\n")

    def test_coroutine(self):
        self.assertEqual(self.run_to_end(EXAMPLES / "coroutine" / "coroutine"), "one!\ntwo!\nthree!\n")


if __name__ == "__main__":
    main()
