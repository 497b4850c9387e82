# SPDX-License-Identifier: Apache-2.0
"""A made-up MVI server: the same seed gives the same documents and files, byte by byte."""
