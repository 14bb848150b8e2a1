"""What all tests have in common."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs so, and every process that a test sends Ctrl-C to would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
