# SPDX-License-Identifier: MIT
"""What must hold on every node after every step of a scenario, whatever the step was: descriptors and memory stay near what they
were when the mesh was whole, no lease is longer than one, the state is a known one, and the log neither reports a broken
invariant nor floods.
"""
import os

from mesh import BROKEN, expect, read_text

# A peer behind a one-way cut dials again and again, and the kernel keeps the old connections until keepalive ends them.
MORE_DESCRIPTORS = 64
MORE_KIB = 48 * 1024
QUARANTINE_MIB = 8  # of ASan's; with it a node grows by about 20 MiB
LOG_LINES_STEP = 1000
STATES = ('live', 'joining', 'stopping')


def measure(pid):
    status = read_text(f'/proc/{pid}/status')
    rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS'))
    return {'fds': len(os.listdir(f'/proc/{pid}/fd')), 'rss_kib': rss_kib}


def problems_of(before, now):
    """What the two measurements of one process say; also of what a node says about itself."""
    found = []
    if now['fds'] > before['fds'] + MORE_DESCRIPTORS:
        found.append(f'{now["fds"]} descriptors, {before["fds"]} before')
    if now['rss_kib'] > before['rss_kib'] + MORE_KIB:
        found.append(f'{now["rss_kib"]} KiB of memory, {before["rss_kib"]} before')
    if now['lease_left_ms'] > now['lease_ms']:
        found.append(f'a lease of {now["lease_left_ms"]} ms')
    if now['state'] not in STATES:
        found.append(f'state {now["state"]}')
    if now['log_lines'] > before['log_lines'] + LOG_LINES_STEP:
        found.append(f'{now["log_lines"] - before["log_lines"]} lines in the log')
    if now['is_broken']:
        found.append('the log reports something broken')
    return found


class Audit:
    def __init__(self):
        self.before = {}
        self.n_steps = 0

    def look(self, node):
        status = node.status()
        text = read_text(node.log)
        return {**measure(node.process.pid), 'state': status['state'], 'lease_left_ms': status['lease_left_ms'],
                'lease_ms': node.mesh.lease_ms, 'log_lines': text.count('\n'), 'is_broken': bool(BROKEN.search(text)),
                'peers': '/'.join(str(status[f'peers_{state}']) for state in ('live', 'silent', 'gone'))}

    def step(self, name, nodes):
        """Nodes that run and are not stopped; the others are left out."""
        self.n_steps += 1
        found, said = [], []
        for node in nodes:
            if not node.is_running() or node.state_letter() == 'T':
                continue
            now = self.look(node)
            before = self.before.setdefault(node.process.pid, now)
            found += [f'{name}: {node.name}: {problem}' for problem in problems_of(before, now)]
            before['log_lines'] = now['log_lines']
            said.append(f'{node.name} {now["state"]} {now["peers"]} lease {now["lease_left_ms"]} fds {now["fds"]} '
                        f'rss {now["rss_kib"] / 1024:.1f}')
        print(f'# audit {self.n_steps}: {name}: ' + ', '.join(said))
        expect(not found, '\n'.join(found))
