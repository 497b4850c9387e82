# SPDX-License-Identifier: Apache-2.0
"""What the tests of killed servers rest on: that such a kill can lose documents at all."""
import pytest
from pymongo import WriteConcern


@pytest.mark.parametrize("journaled", [True, False])
def test_only_journaled_writes_outlive_a_kill(mongod, journaled):
    """The control of the kill tests of documents: without j: true a killed server does lose documents."""
    server = mongod("6.0")
    acknowledged, kept = 0, 0
    for n in range(10):
        name = f"round{n}"
        place = server.client()["control"].get_collection(
            name, write_concern=WriteConcern(w=1, j=journaled))
        acknowledged += len(place.insert_many({"_id": i} for i in range(200)).inserted_ids)
        server.kill9()
        server.restart()
        kept += server.client()["control"][name].count_documents({})
        if kept < acknowledged:
            break
    assert (kept == acknowledged) == journaled, (kept, acknowledged)
