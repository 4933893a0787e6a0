// The parts of ECharts that pages draw with, and no more. SVG: sharp in print, and text stays text.
import { BarChart, CustomChart, HeatmapChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, HeatmapChart, LineChart, GridComponent, TooltipComponent, VisualMapComponent, SVGRenderer]);

export { init };
export type { ECharts, EChartsCoreOption as Option } from "echarts/core";
