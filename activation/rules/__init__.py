"""What an audience says: its rule, its event measures, the audiences it refers to, the SQL of a column.

In: audiences and activations of the config.
Out: checked rules and the expressions that they stand for.
"""
