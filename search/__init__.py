"""Leave-one-domain-out search: chooses a recipe on held-out sources, and never reads the target.

A network is trained on some sources and scored on the source that was held out, in turn (Gulrajani
and Lopez-Paz, In search of lost domain generalization, ICLR 2021, arXiv 2007.01434). Candidates are
asked of Optuna, and halved in rungs (Jamieson and Talwalkar, AISTATS 2016, arXiv 1502.07943).
"""
