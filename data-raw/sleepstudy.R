# sleepstudy: the most sleep-deprived group of Belenky et al. (2003), Journal of Sleep Research 12,
# 1-12. Taken as it stands from the data set of the same name in the R package lme4. Run from the
# root of the package: Rscript data-raw/sleepstudy.R

sleepstudy <- lme4::sleepstudy
save(sleepstudy, file = "data/sleepstudy.rda", compress = "xz", version = 3)
