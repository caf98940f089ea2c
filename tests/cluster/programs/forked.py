"""What `test_node_forks.py` runs in containers: the Python code in the first argument."""

import sys

if __name__ == "__main__":
    exec(sys.argv[1])
