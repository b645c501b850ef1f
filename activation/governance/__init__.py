"""What may go where: the labels of an activation, the policies that it violates, the people who consent (G1 to G8).

In: labels, policies and activations of a workspace; for consent, the newest snapshot.
Out: violations with their paths, and who may go by profile number.
"""
