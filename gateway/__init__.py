"""The identity gateway in front of ViaTrajectoire: map of the house.

A request is parsed once (``proxy``), judged once by a pure function (``policy.decision``), and either carried to
the backend with verified headers or answered (``answer``, ``pages``). Everything that touches the outside world
sits behind one page of ports (``ports``), implemented in ``edges``.

Floors, from the ground up; a room imports only from floors below its own:

    identity, reasons, request      words everybody uses
    audit                           what is written down, and how it is spelled
    html, ports, texts              templates to text; the narrow openings to the world; mails and SMS
    edges                           one file for each thing outside
    jobs                            work that several workers do once
    accounts, session               what is remembered of people; who is signed in now
    policy                          the rules, pure
    assertion, providers, notices   the signed sentence for backends; ways to prove who one is; mails nobody waits for
    gate, answer, desk              the one question the door asks; what is said when the answer is no; the policy in force
    pages, proxy, ops               the faces to the network
    settings, deployment            the configuration, checked before a socket opens; the value each room needs
    household, app                  the composition root: the pages' side, and the rest
    demo                            a whole world on one machine
    commands, __main__              the command line
"""

__version__ = "0.1.0"
