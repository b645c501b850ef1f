"""The terminal: arguments in, text out. A command reads its arguments, calls one function of `muster.runs`, prints.

main           the entry point
app            the Typer app: global options, the error boundary
arguments      the words of the command line before Typer reads them
options        options that several commands take
invocation     what a command does around its call: the workspace, the instant, the progress bar
outcome        how a command that works ends
commands       a module for each command or group of commands
show           what a person reads
shapes         what a program reads: `--json`
process        the process: its command line, streams, signals, clock, logs

In: the words of the command line.
Out: text or JSON on the terminal, and an exit code.
"""
