# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: servers, oracles, and a way to run the program."""
