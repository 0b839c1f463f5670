"""What tables cannot say of themselves: how they are read, and why some scores are as they are."""

READING = (
    "Mean +- standard deviation over folds (seeds averaged first). Bold: the best of the models "
    "with most folds. `rmse` and `calibration_error` are better lower, `calibration_ratio` better "
    "near 1. `measured cells` are the target itself, clustered. The mean of the training cells "
    "scores 0 and .5 per feature, and well when flattened. ATAC of Butterfly, Polarbear and the "
    "Ridge rows that say so is scored at the depth that the RNA foretells, which ranks cells "
    "within a peak; the other models have no such depth. `Butterfly at median depth` and `Ridge "
    "at predicted depth` tell what the model adds from what the depth does. Babel and Polarbear "
    "are this package's implementations of their papers. RNA of MULTIVI and Babel is log1p of a "
    "mean, which lies above the mean of log1p that the others predict: by cell, the training "
    "cells' mean loses .006 to .020 in `rmse` and .006 in `pearson_flat` by the same change; "
    "scores per gene do not change. Values of `calibration` are missing where a model predicts no "
    "probabilities."
)

REASONS = (
    "- `ami`, `ari`, `nmi`: labels may be coarser than what the cells tell (WNN has eight), and "
    "Leiden at one resolution cuts translations finer whose cells scatter around their type in "
    "few dimensions. By the variance that clusters explain in the measured target, which asks no "
    "labels, Butterfly's are ahead of Ridge's and KNN's by cell in all directions of four sets "
    "but from bone marrow's proteins to RNA, and by batch on WNN, where their AMI is lower. By "
    "batch on bone marrow Multiome, and by cell type there and on WNN, Ridge's explain more: "
    "[clustering.md](clustering.md).",
    "- `spearman_cell`, `spearman_flat` on cortex, and these and `spearman_gene` from WNN's "
    "proteins to RNA: the wheel and its preset predict zeros (their output is rectified, and the "
    "wheel sets what is small to zero), which are rewarded for ties, whatever is known. "
    "Butterfly's own predictions with small values set to zero score above both, by cell: "
    "[rounding.md](rounding.md).",
    "- `calibration_error`: probabilities follow the depth that the source foretells, which ranks "
    "entries but spreads them; DepthOnly, which does that alone, errs more. How deep a new "
    "batch's ATAC is its RNA foretells badly; Mean and Ridge do not try.",
    "- `Ridge, validation cells too` trains on a fourth more cells, by cell type on a third more "
    "types, and by batch on cortex on a whole batch more: there one batch trains and another "
    "stops the training, so that is twice the cells and the only other batch. A network "
    "needs cells to stop by; a regression does not. Several that "
    'stop by other cells each leave out none: their mean is under "Mean of several models".',
    "- By cell type, and by batch on cortex, whole types and batches validate, as in the papers, "
    "and do not train. Random cells, which `train()` draws by itself, leave all but the tested "
    "ones to train: the splits that say so are that comparison, with features chosen among more "
    "kinds of cells. The same features, and what the model gains: [validating.md](validating.md). "
    "What is left there is mostly ties and clusters, of which the lines above tell.",
    "- By cell type: a network says of unseen types what the nearest known ones do, a regression "
    "goes on in a straight line.",
)
"""Why other models are ahead in some scores."""

VARIANTS = (
    "Difference from the model as it comes on all training cells, in the same folds and from "
    "the same seeds: mean +- standard deviation over these runs (positive: the variant is "
    "better). `tfidf_targets` takes away more than the likelihood: TF-IDF values know no depth, "
    "no shrinkage and no linear path. Fewer counts thin the training cells and the queries, not "
    "the cells that are compared with, so `rmse` and `calibration` tell the depth; fewer features "
    "are scored on those features, which are the frequent ones. Of both only Butterfly's and "
    "Ridge's rows may be compared, as [data_sizes.md](data_sizes.md) does."
)
