"""Every page the gateway itself serves, under the reserved prefix. Reached only through the door."""
