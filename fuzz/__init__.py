"""Fuzz targets for what reads hostile bytes: ``make fuzz``. Each target is a function of bytes that must never raise."""
