"""Two steps that do nothing, as PipelineTasks of lsst-pipe-base; what `butler.py` runs beside ours."""

import lsst.pipe.base as pb
import lsst.pipe.base.connectionTypes as ct

DIMENSIONS = ("instrument", "exposure", "detector")


def _slot(kind, name):
    return kind(doc=name, name=name, storageClass="StructuredDataDict", dimensions=DIMENSIONS)


class IsrConnections(pb.PipelineTaskConnections, dimensions=DIMENSIONS):
    input = _slot(ct.Input, "raw")
    output = _slot(ct.Output, "image")


class FindConnections(pb.PipelineTaskConnections, dimensions=DIMENSIONS):
    input = _slot(ct.Input, "image")
    output = _slot(ct.Output, "catalogue")


class IsrConfig(pb.PipelineTaskConfig, pipelineConnections=IsrConnections):
    def setDefaults(self):
        super().setDefaults()
        # One file a quantum less: ours writes a log only where something is said.
        self.saveLogOutput = False


class FindConfig(pb.PipelineTaskConfig, pipelineConnections=FindConnections):
    def setDefaults(self):
        super().setDefaults()
        self.saveLogOutput = False


class IsrTask(pb.PipelineTask):
    ConfigClass = IsrConfig
    _DefaultName = "isr"

    def run(self, input):
        return pb.Struct(output={})


class FindTask(pb.PipelineTask):
    ConfigClass = FindConfig
    _DefaultName = "find"

    def run(self, input):
        return pb.Struct(output={})
