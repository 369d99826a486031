"""What a supervisor of the bank asks for: registers and figures over the records, as data, CSV or a page to hand over.

`catalogue` names them and `sql/` says what each holds, `asked` reads for which time, `making` makes one, `rendering`
writes it down. A report of a past moment (`as_of`) holds what the records said then, so it can be made again.
"""
