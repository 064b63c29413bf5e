"""The formats of masks by their names."""

from __future__ import annotations

from nas.tasks.segmentation.formats.cityscapes import Cityscapes
from nas.tasks.segmentation.formats.class_files import ClassFiles
from nas.tasks.segmentation.formats.coco import Coco
from nas.tasks.segmentation.formats.colours import Colours
from nas.tasks.segmentation.formats.index import FilePerImage
from nas.tasks.segmentation.formats.labelme import LabelMe
from nas.tasks.segmentation.formats.mask import MaskFormat
from nas.tasks.segmentation.settings import FormatName, SegmentationSettings

_FORMATS: dict[FormatName, type[MaskFormat]] = {
    "index": FilePerImage,
    "colours": Colours,
    "class_files": ClassFiles,
    "coco": Coco,
    "labelme": LabelMe,
    "cityscapes": Cityscapes,
}


def format_of(settings: SegmentationSettings) -> MaskFormat:
    """The format of a task's masks.

    Raises:
        UserError: If the classes of the task do not fit it.
    """
    return _FORMATS[settings.format](settings)
