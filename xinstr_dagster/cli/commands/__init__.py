"""The commands of `xinstr`: every module here is a group, in a `CommandGroup` by the name of `commands`.

A new command is a function of its group's module, a new group is a new module: `xinstr` finds it.
"""
