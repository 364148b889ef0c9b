#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The public headers are the reference of the C interface: each function has a comment that names its arguments and what it
returns, each type and constant one that says what it is.
"""
import re

import tree
from tap import expect, expect_equal, run

HEADERS = ['libcachemesh/cachemesh.h', 'libcachemesh/cachemesh-session.h']
COMMENT = r'(?:/\*\*(?P<comment>(?:(?!\*/).)*)\*/\n)?'
FUNCTION = re.compile(COMMENT + r'CM_API\s+(?P<type>[\w\s]*?\**)(?P<name>cm_\w+)\((?P<arguments>[^;]*)\);', re.DOTALL)
TYPE = re.compile(r'^' + COMMENT + r'(?P<kind>struct|enum|typedef|#define) (?P<rest>[^\n]*)', re.DOTALL | re.MULTILINE)


def argument_names(arguments):
    return [re.search(r'(\w+)\s*$', a)[1] for a in arguments.split(',') if a.strip() != 'void']


def function_faults(match):
    name, comment = match['name'], match['comment'] or ''
    named = re.findall(r'^ \* @(\w+):', comment, re.MULTILINE)
    is_told = re.search(r'^ \* Return: \w|^ \* Return: -', comment, re.MULTILINE)
    is_void = match['type'].strip() == 'void'
    if not re.search(rf'^ \* {name}\(\) - \w', comment, re.MULTILINE):
        return [f'{name}() has no comment that begins with its name']
    found = [f'{name}(): @{a} is not described' for a in argument_names(match['arguments']) if a not in named]
    found += [f'{name}(): there is no argument {a}' for a in named if a not in argument_names(match['arguments'])]
    if is_void and is_told:
        found.append(f'{name}() returns nothing')
    if not is_void and not is_told:
        found.append(f'{name}() does not say what it returns')
    return found


def type_name(kind, rest):
    """What the comment must call it, or None for what is no declaration of ours."""
    if kind == 'typedef':
        return f'typedef {re.search(r"[*](cm_[a-z_]+)[)]", rest)[1]}'
    name = re.match(r'(?:cm|CM)_\w+', rest)
    if not name or (kind != '#define' and not re.match(r'\w+( \{)?;?$', rest)):
        return None
    return f'{kind.lstrip("#")} {name[0]}'


def type_faults(match):
    name = type_name(match['kind'], match['rest'])
    if name is None or re.search(rf'^(?: \*)? {name} - \w', match['comment'] or '', re.MULTILINE):
        return []
    return [f'{name} has no comment that begins with its name']


def faults(text):
    return ([f for match in FUNCTION.finditer(text) for f in function_faults(match)] +
            [f for match in TYPE.finditer(text) for f in type_faults(match)])


GOOD = '''
/** define CM_ONE - the first */
#define CM_ONE 1

/** struct cm_thing - a thing */
struct cm_thing;

/**
 * enum cm_kind - what it is
 *
 * More about it.
 */
enum cm_kind {
        CM_A = 0,
};

/** typedef cm_call - something to be called */
typedef int (*cm_call)(void *userdata);

/**
 * cm_do() - do it
 * @thing: borrowed
 * @call:  called once
 *
 * Return: 0, or -EINVAL.
 */
CM_API int cm_do(struct cm_thing *thing, cm_call call);

/**
 * cm_text() - say it
 *
 * Return: static text.
 */
CM_API const char *cm_text(void);

/**
 * cm_end() - end it
 * @thing: taken over
 */
CM_API void cm_end(
                struct cm_thing *thing);
'''


def everything_public_is_documented():
    for header in HEADERS:
        text = tree.read(header)
        expect(len(FUNCTION.findall(text)) == text.count('\nCM_API '), f'a function of {header} is not seen')
        expect_equal(faults(text), [])


def each_gap_in_a_comment_is_found():
    expect_equal(faults(GOOD), [])
    for line, told in ((' * Return: 0, or -EINVAL.\n', 'what it returns'), (' * Return: static text.\n', 'what it returns'),
                       (' * @call:  called once\n', '@call'), (' * cm_do() - do it\n', 'cm_do() has no comment'),
                       ('/** define CM_ONE - the first */\n', 'define CM_ONE'), (' * enum cm_kind - what it is\n', 'enum cm_kind'),
                       ('/** struct cm_thing - a thing */\n', 'struct cm_thing'),
                       ('/** typedef cm_call - something to be called */\n', 'typedef cm_call')):
        expect(line in GOOD, line)
        expect(any(told in f for f in faults(GOOD.replace(line, ''))), f'{line!r} may be missing')
    expect(faults(GOOD.replace(' * @thing: taken over\n', ' * @thing: taken over\n *\n * Return: 0\n')), 'void returns')
    expect(faults(GOOD.replace(' * @call:', ' * @cull:')), 'a name that is no argument')
    expect(faults(GOOD.replace('*/\nCM_API int', '*/\n\nCM_API int')), 'a comment that stands apart')


run([everything_public_is_documented, each_gap_in_a_comment_is_found])
