"""parts - what is measured, a module a part.

    measure(place) ─► what goes into the JSON          lines(result) ─► the same for people
"""
