"""The least of TAP that the tests about the tree need: a case is a sentence and the findings that speak against it."""


class Tap:
    def __init__(self):
        self.count = 0

    def case(self, sentence, findings):
        """Passes when there is no finding; each finding is shown as a diagnostic."""
        self.count += 1
        print(f"{'not ok' if findings else 'ok'} {self.count} - {sentence}")
        for finding in findings:
            print(f"# {finding}")

    def finds(self, sentence, findings, word):
        """A positive control: passes when exactly one finding is there, and it holds the word."""
        good = len(findings) == 1 and word in findings[0]
        self.case(sentence, [] if good else [f"wanted one finding with '{word}', got {findings}"])

    def skip(self, sentence, reason):
        self.count += 1
        print(f"ok {self.count} - {sentence} # SKIP {reason}")

    def end(self):
        print(f"1..{self.count}")
