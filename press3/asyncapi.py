"""Write the contract of the push socket: `python -m press3.asyncapi > docs/asyncapi.yaml`."""

import sys

from press3.features import event_kinds
from push.asyncapi import document, to_yaml

if __name__ == "__main__":
    sys.stdout.write(to_yaml(document(event_kinds())))
