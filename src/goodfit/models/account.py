class A:
    def to_json(self):
        return dict(rows=[], parameters=0, multiply_adds=0, training_bytes=0)


def describe(*a):
    return A()
