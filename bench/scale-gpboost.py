"""Fits one row of scale.R with GPBoost's iterative method: python3 scale-gpboost.py FOLDER FAMILY

The folder holds n doubles in each of x.bin and y.bin, and n four-byte integers in each of g.bin and
h.bin. Prints seconds of processor time, peak of memory in GiB, and -2 log-likelihood.
"""

import pathlib
import resource
import sys
import time

import gpboost
import numpy

folder, family = sys.argv[1:]


def column(name, kind):
    return numpy.fromfile(pathlib.Path(folder) / f"{name}.bin", dtype=kind)


x, y = column("x", "f8"), column("y", "f8")
groups = numpy.column_stack([column("g", "i4"), column("h", "i4")])
fixed = numpy.column_stack([numpy.ones(len(x)), x])
likelihood = {"gaussian": "gaussian", "binomial": "bernoulli_logit"}[family]

start = time.process_time()
model = gpboost.GPModel(
    group_data=groups, likelihood=likelihood, matrix_inversion_method="iterative"
)
model.fit(y=y, X=fixed)
seconds = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(seconds, peak, 2 * model.get_current_neg_log_likelihood())
