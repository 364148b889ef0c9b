# SPDX-License-Identifier: MIT
"""Somebody's browser on one node, as a program: it keeps the cookies and the token of the session's forms."""
import sys
import urllib.parse

from story_nodes import Mismatch

COOKIE = 'demo_session'


class Browser:
    def __init__(self, node, cookies=None):
        self.node = node
        self.cookies = dict(cookies or {})
        self.token = ''

    def ask(self, method, path, **fields):
        """Status and answer, whatever they are."""
        body = urllib.parse.urlencode({'token': self.token, **fields}) if method == 'POST' else None
        status, cookies, answer = self.node.exchange(method, path, body, self.cookies)
        for name, value in cookies.items():
            self.cookies[name] = value
            if not value:
                del self.cookies[name]
        self.token = answer.get('token') or self.token
        return status, answer

    def done(self, method, path, **fields):
        status, answer = self.ask(method, path, **fields)
        if status != 200:
            raise Mismatch(f'{status}: {answer.get("error")}')
        return answer

    def get(self, path):
        return self.done('GET', path)

    def post(self, path, **fields):
        return self.done('POST', path, **fields)

    def visit(self):
        """The login form: a session that is nobody's, with a token."""
        self.get('/api/login')
        return self

    def log_in(self, person):
        self.visit()
        self.post('/api/login', name=person)
        return self

    def log_out(self, where=''):
        return self.post('/api/logout', where=where)['left']

    def copy(self):
        """The same cookies, as somebody else has them who got hold of them."""
        twin = Browser(self.node, self.cookies)
        twin.token = self.token
        return twin


if __name__ == '__main__':
    sys.exit('This is a part of demo-app/story.')
