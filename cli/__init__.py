"""The terminal: arguments in, text out. A command reads its arguments, calls one job, and prints what came back.

main       the entry point; command_line says how the command ended
front_page what `muster --help` says; help_page shows it, and the help of each command
arguments  the words of the command line; global options
app        the Typer app, its groups and global options, the one error boundary
working    the commands that work, and listing those that list, show and repair
context    from options to an open session: config, state, lock, the instant
remembered the config that was checked, so that it is not read again
deciding   what there is to do, without loading what does it
jobs       what each command does, as data; reports: how it ended
render     everything that a person reads
shapes     everything that a program reads (--json)
logs       logging to stderr, as text or JSON
story      `muster demo`
"""
