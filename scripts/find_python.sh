#!/bin/sh
# Prints the first Python of version 3.11 or later on the path. Where there is none it prints "python3" all the same:
# the Makefile then says what is missing, in one place.
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done
echo python3
