"""Write people/common_passwords.txt from the frequency list of zxcvbn (MIT; see NOTICE).

    python -m pip install zxcvbn==4.5.0 --target /tmp/zxcvbn
    PYTHONPATH=/tmp/zxcvbn python scripts/common_passwords.py > people/common_passwords.txt

The 3,000 commonest of all lengths (words that people put digits behind) and the 3,000 commonest that
are long enough to be a password here. zxcvbn is needed for this only, never by press3.
"""

from zxcvbn.frequency_lists import FREQUENCY_LISTS

COUNT = 3_000
LONG_ENOUGH = 8

by_frequency = list(FREQUENCY_LISTS["passwords"])
long_enough = [word for word in by_frequency if len(word) >= LONG_ENOUGH]
print("\n".join(sorted({*by_frequency[:COUNT], *long_enough[:COUNT]})))
