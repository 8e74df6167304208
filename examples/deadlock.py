"""Two threads that take two locks in opposite order, and so wait for each other for ever.

    python3 examples/deadlock.py &
    echion where $!
"""

import threading
import time

checking, savings = threading.Lock(), threading.Lock()


def transfer(source, target, amount):
    with source:
        time.sleep(0.1)  # asks the bank
        with target:
            print("moved", amount)


pay = threading.Thread(target=transfer, args=(checking, savings, 50), name="pay")
refund = threading.Thread(target=transfer, args=(savings, checking, 20), name="refund")
pay.start()
refund.start()
pay.join()
