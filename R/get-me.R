#' Parts of a fit
#'
#' Extracts a component of a fit by its name. All names of lme4's `getME()` are available, with the
#' same meaning and shape, and in addition the properties of models in MixedModels.jl.
#'
#' Matrices: `X`, `Z`, `Zt`, `Ztlist` (Z' by term and effect), `mmList` (model matrices of the
#' terms), `Lambda`, `Lambdat`, `Lind` (index into theta of the stored elements of `Lambdat`),
#' `Tlist` (template of Lambda, by term), `ST`, `A` (`Lambda' Z'`), `L` (sparse Cholesky factor,
#' with a permutation that reduces fill), `RX`, `RZX`. With y: `Xymat`.
#'
#' Vectors: `y`, `mu`, `offset`, `u`, `b`, `fixef`, `beta`, `theta`, `par`, `lower`, `devarg`,
#' `sigma`.
#'
#' Sizes: `n`, `N`, `p`, `q`, `k` (also `n_rtrms`: terms), `n_rfacs` (grouping factors), `m` (also
#' `npar`: parameters of the random effects), `p_i`, `q_i`, `m_i` (by term), `l_i` (levels by
#' factor), `Gp`, `Tp`, `REML` (0, or p for a REML fit), `is_REML`, `dims`.
#'
#' Others from lme4: `flist`, `cnms`, `devcomp`, `devfun`, `glmer.nb.theta`; `methTitle`, the title
#' of the printed fit.
#'
#' From MixedModels.jl: `formula`, `reterms`, `feterm`, `sqrtwts`, `wt` (prior weights; of length
#' zero, like `sqrtwts`, if there are none), `parmap` (the position of each theta in Lambda),
#' `optsum`, `betas`, `lambda` (by term; `joint_lambda` by grouping factor, whose terms
#' MixedModels.jl amalgamates), `stderror`, `sigmas`, `sigmarhos`, `lowerbd`, `corr`, `vcov`, `PCA`,
#' `rePCA` (cumulative proportions of variance), `objective`, `pvalues`. In MixedModels.jl, `A` and
#' `L` are the blocks of the cross-products of `Z`, `X`, `y` and of their Cholesky factor. Since
#' lme4 uses these names for other matrices, they are `A_blocks` and `L_blocks` here.
#'
#' Functions of MixedModels.jl: `cond` (condition number of each block of Lambda, infinite where it
#' is singular), `logdet` (log determinant of `Lambda' Z' W Z Lambda + I`, plus that of `RX' RX` for
#' a REML fit), `feL` (the lower triangular factor of the fixed effects, `RX` transposed), `sparseL`
#' (the factor of the random effects, sparse, in the order of `L_blocks`).
#'
#' Properties of generalized models in MixedModels.jl, which are available for linear models here,
#' too: `resp` (a list with a value for each observation: `y`, `mu`, `eta`, `offset`, prior weights
#' `wts`, squared deviance residuals `devresid`, and the working weights `wrkwt` and residuals
#' `wrkresid` of the last iteration) and `LMM` (parts of the linear mixed model of the last
#' iteration, its `y` the working response; of a linear fit the fit itself).
#'
#' @param object A fitted model.
#' @param name A name, several names, or `"ALL"` for all components.
#' @param ... Not used.
#' @return The component; for several names a named list.
#' @examples
#' fit <- rlmm(Reaction ~ Days + (Days | Subject), sleepstudy)
#' getME(fit, "theta")
#' getME(fit, "lambda")
#' getME(fit, c("n", "p", "q"))
#' getME(fit, "cond")
#' @export
#' @rawNamespace S3method(lme4::getME, rlmm)
getME.rlmm <- function(object, name, ...) {
  refuse_dots(...)
  if (missing(name) || !is.character(name)) {
    name <- ""
  }
  if (identical(name, "ALL")) {
    return(all_parts(object))
  }
  name <- known_parts(name)
  parts <- lapply(fit_parts[name], \(part) part(object))
  if (length(name) == 1) parts[[1]] else parts
}

# Completes abbreviated names of components.
known_parts <- function(name) {
  known <- names(fit_parts)
  name <- whole_names(name, known)
  unknown <- setdiff(name, known)
  if (length(unknown) > 0) {
    abort_unknown_part(unknown[1], known)
  }
  name
}

#' Answers the access to the slot `devcomp` by lme4's REMLcrit(), which is not generic; from R 4.3
#' on it then works on our fits if lme4 was attached last
#' @rawNamespace if (getRversion() >= "4.3.0") S3method("@", rlmm)
#' @noRd
`@.rlmm` <- function(object, name) {
  if (name == "devcomp") {
    return(getME.rlmm(object, "devcomp"))
  }
  abort_rlmm(
    c(
      paste0("A fit of rlmm has no slot ", tick(name), "."),
      i = "It is a list: see `getME()` for its parts."
    ),
    "rlmm_error_unknown_part",
    name = name
  )
}

# Completes names: those of lme4 may be abbreviated, as other packages do.
whole_names <- function(name, known) {
  at <- pmatch(name, known, duplicates.ok = TRUE)
  ifelse(is.na(at), name, known[at])
}

# All components that a fit of this kind has.
all_parts <- function(object) {
  parts <- lapply(fit_parts, \(part) {
    tryCatch(list(part(object)), rlmm_error_not_available = \(cnd) NULL)
  })
  lapply(Filter(Negate(is.null), parts), `[[`, 1L)
}

abort_unknown_part <- function(name, known) {
  abort_rlmm(
    c(
      "`name` must name parts of the fit.",
      x = if (nzchar(name)) {
        paste0("There is no ", dQuote(name, FALSE), ".")
      } else {
        "No name was given."
      },
      if (nzchar(name)) {
        did_you_mean(name, known, quote = \(x) dQuote(x, FALSE))
      },
      i = "See `?rlmm::getME.rlmm` for the names."
    ),
    "rlmm_error_unknown_part",
    name = name
  )
}

# The components by name, each a function of the fit.
fit_parts <- list(
  # lme4: matrices
  X = \(fit) stats::model.matrix(fit),
  Z = \(fit) random_matrix(fit),
  Zt = \(fit) sparse_zt(fit),
  Ztlist = \(fit) zt_by_effect(fit),
  mmList = \(fit) {
    stats::setNames(lapply(term_designs(fit), `[[`, "z"), re_labels(fit))
  },
  Lambda = \(fit) lambda_matrix(fit),
  Lambdat = \(fit) sparse_lambdat(fit),
  Lind = \(fit) as.integer(lambdat_pattern(fit)@x),
  Tlist = \(fit) {
    stats::setNames(lapply(lambda_templates(fit), unname), term_groups(fit))
  },
  ST = \(fit) {
    stats::setNames(
      lapply(lambda_templates(fit), template_st),
      term_groups(fit)
    )
  },
  A = \(fit) lambdat_zt(fit),
  L = \(fit) sparse_factor(fit)$l,
  RX = \(fit) named_rx(fit),
  RZX = \(fit) named_rzx(fit),
  # lme4: vectors
  y = \(fit) model_response(fit),
  mu = \(fit) as.vector(fit$fitted) %||% fit_frame(fit),
  offset = \(fit) total_offset(fit_frame(fit)) %||% numeric(n_rows(fit)),
  u = \(fit) stack_modes(fit$u),
  b = \(fit) as(matrix(stack_modes(fit$b)), "unpackedMatrix"),
  fixef = \(fit) fit$beta,
  beta = \(fit) unname(fit$beta),
  theta = \(fit) named_theta(fit, fit$theta),
  par = \(fit) named_theta(fit, fit$theta),
  devarg = \(fit) {
    stats::setNames(fit$parameters %||% fit$theta, parameter_names(fit))
  },
  lower = \(fit) named_theta(fit, theta_lower(fit$random)),
  sigma = \(fit) fit$sigma,
  # lme4: sizes
  n = \(fit) n_rows(fit),
  N = \(fit) n_rows(fit),
  p = \(fit) length(fit$beta),
  q = \(fit) sum(effects_per_term(fit)),
  k = \(fit) length(fit$random),
  n_rtrms = \(fit) length(fit$random),
  n_rfacs = \(fit) length(ngrps.rlmm(fit)),
  m = \(fit) length(fit$theta),
  npar = \(fit) length(fit$theta),
  p_i = \(fit) stats::setNames(n_columns(fit), re_labels(fit)),
  q_i = \(fit) stats::setNames(effects_per_term(fit), re_labels(fit)),
  m_i = \(fit) stats::setNames(theta_per_term(fit), re_labels(fit)),
  l_i = \(fit) ngrps.rlmm(fit),
  Gp = \(fit) cumsum(c(0L, effects_per_term(fit))),
  Tp = \(fit) {
    stats::setNames(
      cumsum(c(0L, theta_per_term(fit))),
      c("beg__", term_groups(fit))
    )
  },
  REML = \(fit) if (isREML.rlmm(fit)) n_coefficients(fit) else 0L,
  is_REML = \(fit) isREML.rlmm(fit),
  # lme4: others
  flist = \(fit) factor_list(fit),
  cnms = \(fit) {
    stats::setNames(lapply(fit$random, `[[`, "columns"), term_groups(fit))
  },
  devcomp = \(fit) list(cmp = deviance_components(fit), dims = dimensions(fit)),
  devfun = \(fit) as.function(fit),
  glmer.nb.theta = \(fit) {
    if (identical(fit$glmm$family, "negative.binomial")) {
      fit$glmm$shape
    } else {
      NA_real_
    }
  },
  # MixedModels.jl
  formula = \(fit) written_formula(fit),
  reterms = \(fit) stats::setNames(fit$random, re_labels(fit)),
  feterm = \(fit) {
    c(
      list(
        x = stats::model.matrix(fit),
        rank = length(fit$beta)
      ),
      fit$fixed[c("names", "dropped")]
    )
  },
  Xymat = \(fit) cbind(stats::model.matrix(fit), y = model_response(fit)),
  sqrtwts = \(fit) sqrt(prior_weights(fit)),
  wt = \(fit) prior_weights(fit),
  parmap = \(fit) parameter_map(fit),
  dims = \(fit) {
    c(
      n = n_rows(fit),
      p = length(fit$beta),
      q = sum(effects_per_term(fit)),
      k = length(fit$random)
    )
  },
  A_blocks = \(fit) product_blocks(fit),
  L_blocks = \(fit) factor_blocks(fit),
  optsum = \(fit) opt_summary(fit),
  betas = \(fit) fit$beta,
  lambda = \(fit) stats::setNames(lambda_templates(fit), component_names(fit)),
  joint_lambda = \(fit) joint_lambda(fit),
  methTitle = \(fit) model_title(fit),
  stderror = \(fit) standard_errors(fit),
  sigmas = \(fit) lapply(unclass_components(fit), attr, "stddev"),
  sigmarhos = \(fit) lapply(unclass_components(fit), sigma_rho),
  lowerbd = \(fit) named_theta(fit, theta_lower(fit$random)),
  corr = \(fit) correlation_matrix(vcov.rlmm(fit)),
  vcov = \(fit) vcov.rlmm(fit),
  PCA = \(fit) rePCA.rlmm(fit, corr = TRUE),
  rePCA = \(fit) {
    lapply(rePCA.rlmm(fit, corr = TRUE), \(pca) {
      cumsum(pca$sdev^2) / sum(pca$sdev^2)
    })
  },
  objective = \(fit) fit$dev$objective,
  pvalues = \(fit) 2 * stats::pnorm(-abs(fit$beta / standard_errors(fit))),
  cond = \(fit) {
    vapply(getME.rlmm(fit, "lambda"), condition_number, 0)
  },
  logdet = \(fit) {
    fit$dev$log_det_re + if (isREML.rlmm(fit)) fit$dev$log_det_fe else 0
  },
  feL = \(fit) t(named_rx(fit)),
  sparseL = \(fit) random_factor(fit),
  resp = \(fit) response_parts(fit),
  LMM = \(fit) working_model(fit)
)

#' Prior weights; as in MixedModels.jl a vector of length zero if there are none
#' @noRd
prior_weights <- function(fit) as.double(fit_response(fit)$weights)

condition_number <- function(x) {
  d <- svd(x, 0L, 0L)$d
  max(d) / min(d)
}

# The components of the response in GLM.jl.
response_parts <- function(fit) {
  list(
    y = model_response(fit),
    mu = as.vector(fit$fitted),
    eta = as.vector(fit$eta %||% fit$fitted),
    offset = fit_offset(fit) %||% numeric(n_rows(fit)),
    wts = prior_weights(fit),
    devresid = raw_residuals(fit, "deviance")^2,
    wrkwt = working_weights(fit),
    wrkresid = raw_residuals(fit, "working")
  )
}

#' The linear mixed model itself, or the working model of the last PIRLS iteration
#' @noRd
working_model <- function(fit) UseMethod("working_model")

#' @export
working_model.rlmm_lmm <- function(fit) fit

#' @export
working_model.rlmm_glmm <- function(fit) {
  same <- c("formula", "reterms", "feterm", "X", "theta", "beta", "lambda")
  c(
    getME.rlmm(fit, c(same, "u", "b", "parmap", "dims", "optsum")),
    list(
      y = working_response(fit),
      sqrtwts = root_weights(fit),
      A_blocks = product_blocks(fit),
      L_blocks = factor_blocks(fit)
    )
  )
}

re_labels <- function(fit) {
  vapply(fit$random, \(term) term$label, "")
}

effects_per_term <- function(fit) n_columns(fit) * n_levels(fit)

# The random effects of all terms as one vector, in the order of the columns of Z.
stack_modes <- function(modes) unlist(lapply(modes, t), use.names = FALSE)

zt_by_effect <- function(fit) {
  blocks <- Map(
    function(design, term) {
      columns <- seq_along(term$columns)
      rows <- lapply(columns, \(j) zt_block(design, term, j))
      stats::setNames(rows, paste0(term$group, ".", term$columns))
    },
    term_designs(fit),
    fit$random
  )
  unlist(unname(blocks), recursive = FALSE)
}

#' Lambda = T S with T unit lower triangular and S diagonal, both in one matrix; T is undefined
#' below a zero of S
#' @noRd
template_st <- function(template) {
  scale <- diag(template)
  st <- unname(sweep(template, 2, scale, `/`))
  st[upper.tri(st)] <- 0
  diag(st) <- scale
  st
}

named_rx <- function(fit) {
  names <- names(fit$beta)[free_beta(fit)]
  rx <- fit$rx
  if (is_coded(fit)) {
    covariance <- coded_covariance(fit)(fit$theta)
    rx <- chol(chol2inv(chol(covariance)))
  }
  structure(rx, dimnames = list(names, names))
}

named_rzx <- function(fit) {
  abort_if_coded(fit, "The element `RZX`")
  rzx <- as.matrix(sparse_factor(fit)$rzx)
  dimnames(rzx) <- list(NULL, names(fit$beta)[free_beta(fit)])
  rzx
}

factor_list <- function(fit) {
  groups <- term_groups(fit)
  core_terms <- fit_terms(fit)
  factors <- lapply(fit$random[!duplicated(groups)], \(term) {
    structure(
      core_terms[[term$core_term]]$refs,
      levels = term$levels,
      class = "factor"
    )
  })
  structure(
    stats::setNames(factors, unique(groups)),
    assign = match(groups, unique(groups))
  )
}

deviance_components <- function(fit) {
  dev <- fit$dev
  p <- n_coefficients(fit)
  reml <- isREML.rlmm(fit)
  c(
    ldL2 = dev$log_det_re,
    ldRX2 = dev$log_det_fe,
    wrss = dev$wrss,
    ussq = dev$ussq,
    pwrss = dev$pwrss,
    drsum = dev$deviance %||% NA,
    REML = if (reml) dev$objective else NA,
    dev = if (reml) NA else dev$objective,
    sigmaML = sqrt(dev$pwrss / dev$n_eff),
    sigmaREML = sqrt(dev$pwrss / (dev$n_eff - p))
  )
}

dimensions <- function(fit) {
  n <- n_rows(fit)
  p <- n_coefficients(fit)
  c(
    N = n,
    n = n,
    p = p,
    nmp = n - p,
    q = sum(effects_per_term(fit)),
    nth = length(fit$theta),
    useSc = as.integer(has_scale(fit)),
    reTrms = length(fit$random),
    spFe = 0L,
    REML = if (isREML.rlmm(fit)) p else 0L,
    GLMM = as.integer(isGLMM.rlmm(fit)),
    NLMM = 0L,
    npar = length(fit$theta)
  )
}

parameter_map <- function(fit) {
  cells <- lapply(fit$random, term_cells)
  data.frame(
    theta = unlist(Map(cell_theta, fit$random, cells)),
    term = rep(re_labels(fit), vapply(cells, nrow, 1L)),
    row = unlist(lapply(cells, \(cell) cell[, 1])),
    col = unlist(lapply(cells, \(cell) cell[, 2]))
  )
}

unclass_components <- function(fit) {
  components <- VarCorr.rlmm(fit)
  lapply(stats::setNames(nm = names(components)), \(name) components[[name]])
}

sigma_rho <- function(component) {
  correlation <- attr(component, "correlation")
  list(
    sigma = attr(component, "stddev"),
    rho = correlation[lower.tri(correlation)]
  )
}

# The joint block of Lambda for all terms of a grouping factor.
joint_lambda <- function(fit) {
  templates <- lambda_templates(fit)
  groups <- term_groups(fit)
  joined <- lapply(unique(groups), \(group) {
    own <- templates[groups == group]
    names <- unlist(lapply(own, colnames))
    block <- as.matrix(Matrix::bdiag(own))
    dimnames(block) <- list(names, names)
    block
  })
  stats::setNames(joined, unique(groups))
}
