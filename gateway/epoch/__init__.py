"""The epoch: what another moment of the store or of the records wrote is dead, whoever brings it back.

``judgement`` says whether a store or the records went back in time, ``epochs`` watches both and begins a new epoch, ``ledger``
is what the records hold of it, ``dated_store`` stands in front of the store and lets nothing through that another epoch
wrote, ``voiding`` ends what in the records serves once. See decision 17.
"""
