#!/bin/sh
# Packages must not start daemons: in deploy mode nothing but the SSH server runs, in test mode the supervisor decides.
exit 101
