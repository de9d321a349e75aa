"""A client that keeps its connection and asks for one thing after the other."""
from rawhttp import Connection

OFTEN = 8  # more requests than it takes until an answer is sent again as it was


class Client(Connection):
    """Its answers are status, fields and body."""

    def __init__(self, s, **options):
        super().__init__(s.port, **options)

    def answer(self, *, head=False):
        a = super().answer(head=head)
        return a.status, a.headers, a.body

    def ask(self, request, **options):
        self.send(request)
        return self.answer(**options)

    def ask_often(self, request, **options):
        """The answers, which are to differ in nothing but their date."""
        answers = [self.ask(request, **options) for _ in range(OFTEN)]
        for _, fields, _ in answers:
            del fields["date"]
        assert all(answer == answers[0] for answer in answers), answers
        assert not self.unread
        return answers[0]
