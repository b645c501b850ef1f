"""The terminal: arguments in, text out. A command reads its arguments, calls one job, and prints what came back.

main       the app, global options, the one error boundary
context    from options to an open session: config, state, lock, the instant
jobs       what each command does, as data
render     everything that a person reads
shapes     everything that a program reads (--json)
logs       logging to stderr, as text or JSON
story      `muster demo`
"""
