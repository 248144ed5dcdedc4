"""The acts of administration as JSON, under ``api/v1``: for programs with a token, and for pages with a strong session.

* ``operation`` is one line of the table; ``table`` is the table of all of them. The OpenAPI document (``document``), the
  routes and the refusals of unknown methods (``app``) are made from it: there is no second list.
* ``entrance`` says who asks, ``reading`` what they ask, ``problem`` why not; ``kinds`` are the words of the models.
* ``scopes``, ``switches``, ``accounts``, ``imports``, ``insight`` and ``tokens`` hold the operations of one subject each,
  ``*_models`` what goes in and comes out. They translate, and decide nothing: ``gateway.administration`` does.
"""
