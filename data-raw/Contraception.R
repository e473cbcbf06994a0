# Contraception: Bangladesh Fertility Survey 1988; Steele, Diamond and Amin (1996), JRSS A 159,
# 289-299. Taken as it stands from the data set of the same name in the R package mlmRev. Run from
# the root of the package: Rscript data-raw/Contraception.R

Contraception <- mlmRev::Contraception
save(
  Contraception,
  file = "data/Contraception.rda",
  compress = "xz",
  version = 3
)
